"""Sentences in many languages and scripts, written for calque: what an export checks on when given nothing better."""

from __future__ import annotations

_TEXT = """
en The old house by the river was sold last week , and nobody knows who bought it .
en She has never been to Paris , but her brother lives there with three cats .
en Please send me the report before Friday so that I can read it twice .
es El gato está en la mesa y no quiere bajar de allí .
es Mi hermana trabaja en un hospital pequeño cerca de Sevilla desde 2019 .
es ¿ Cuándo llegaron ellos a casa ? No lo sé , pero era muy tarde .
ca La nena va trobar una clau vella sota la pedra del jardí .
ca Avui no farem classe perquè el professor està malalt .
fr Les enfants jouaient dans la cour pendant que leur mère préparait le dîner .
fr Il ne faut jamais oublier ses clés quand on sort le soir .
de Der alte Mann kaufte jeden Morgen zwei Brötchen und eine Zeitung .
de Wenn es morgen regnet , bleiben wir lieber zu Hause und lesen .
it Il treno per Milano parte alle sette , ma oggi è in ritardo .
it Abbiamo mangiato una pizza buonissima in una piazza tranquilla .
pt O menino perdeu o livro azul que a avó lhe tinha dado .
pt Nunca vi tanta gente na praia como neste verão .
nl De fiets van mijn buurman staat al drie dagen voor onze deur .
pl Stary zegar w kuchni zatrzymał się wczoraj w nocy .
pl Czy możesz mi pomóc przenieść ten ciężki stół ?
ru Старый дом у реки продали на прошлой неделе .
ru Она никогда не была в Москве , но хорошо говорит по-русски .
uk Моя сестра купила новий велосипед і поїхала до моря .
cs Malé dítě si hrálo na zahradě se psem svého souseda .
sv Flickan sprang hem innan det började regna .
no Jeg har aldri sett så mye snø i april .
fi Vanha nainen istui penkillä ja luki sanomalehteä koko aamun .
hu A gyerekek a kertben játszanak , mert süt a nap .
tr Küçük çocuk bahçede kırmızı bir top buldu ve eve getirdi .
vi Cô gái mua hai quyển sách mới ở cửa hàng gần trường .
id Anak itu pergi ke pasar bersama ibunya setiap hari Minggu .
zh 老 房子 上 个 星期 卖 掉 了 , 没有 人 知道 是 谁 买 的 。
zh 他 每天 早上 喝 一 杯 茶 , 然后 坐 地铁 去 上班 。
ja 母 は 昨日 新しい 本 を 二 冊 買い まし た 。
ja この 町 に は 古い 寺 が たくさん あり ます 。
ko 아이가 공원에서 친구와 함께 놀고 있습니다 .
ko 나는 어제 도서관에서 책 세 권을 빌렸다 .
ar ذهب الولد إلى المدرسة مع أخته الصغيرة في الصباح .
ar لا أعرف متى يصل القطار إلى المدينة .
he הילדה קנתה שלושה ספרים חדשים בחנות ליד הבית .
fa پدرم هر روز صبح با دوچرخه به محل کار می رود .
hi लड़का अपनी बहन के साथ हर सुबह स्कूल जाता है ।
hi मुझे नहीं पता कि गाड़ी कब आएगी ।
ur میرا بھائی شہر میں ایک چھوٹی دکان چلاتا ہے ۔
bn ছেলেটি প্রতিদিন সকালে নদীর ধারে হাঁটতে যায় ।
ta என் தம்பி நேற்று ஒரு புதிய புத்தகம் வாங்கினான் .
th แม่ ซื้อ ผลไม้ ที่ ตลาด ทุก เช้า วัน เสาร์
el Το παλιό σπίτι δίπλα στο ποτάμι πουλήθηκε χθες .
bg Старата къща до реката беше продадена миналата седмица .
ro Bătrânul citea ziarul în parc în fiecare dimineață .
hr Djevojčica je našla stari ključ ispod kamena u vrtu .
eu Neska txikiak liburu berria erosi zuen herriko dendan .
gl A nena atopou unha chave vella debaixo da pedra .
cy Mae'r gath ddu yn cysgu ar y gadair wrth y tân .
sw Mtoto alicheza na mbwa wake karibu na mto .
lt Senas namas prie upės buvo parduotas praėjusią savaitę .
lv Mazā meitene dārzā atrada vecu atslēgu .
et Tüdruk ostis raamatupoest kaks uut raamatut .
is Stúlkan hljóp heim áður en byrjaði að rigna .
und I told mi hermano que no puedo ir al cine tonight .
"""

_LINES = [line.split() for line in _TEXT.strip().splitlines()]
SENTENCES: tuple[tuple[str, ...], ...] = tuple(tuple(words) for _, *words in _LINES)
LANGUAGES: tuple[str, ...] = tuple(lang for lang, *_ in _LINES)
"""Of each sentence; ``und`` where it is of several."""
