"""Sentences in many languages and scripts, written for calque: what an export checks on when given nothing better."""

from __future__ import annotations

_TEXT = """
The old house by the river was sold last week , and nobody knows who bought it .
She has never been to Paris , but her brother lives there with three cats .
Please send me the report before Friday so that I can read it twice .
El gato está en la mesa y no quiere bajar de allí .
Mi hermana trabaja en un hospital pequeño cerca de Sevilla desde 2019 .
¿ Cuándo llegaron ellos a casa ? No lo sé , pero era muy tarde .
La nena va trobar una clau vella sota la pedra del jardí .
Avui no farem classe perquè el professor està malalt .
Les enfants jouaient dans la cour pendant que leur mère préparait le dîner .
Il ne faut jamais oublier ses clés quand on sort le soir .
Der alte Mann kaufte jeden Morgen zwei Brötchen und eine Zeitung .
Wenn es morgen regnet , bleiben wir lieber zu Hause und lesen .
Il treno per Milano parte alle sette , ma oggi è in ritardo .
Abbiamo mangiato una pizza buonissima in una piazza tranquilla .
O menino perdeu o livro azul que a avó lhe tinha dado .
Nunca vi tanta gente na praia como neste verão .
De fiets van mijn buurman staat al drie dagen voor onze deur .
Stary zegar w kuchni zatrzymał się wczoraj w nocy .
Czy możesz mi pomóc przenieść ten ciężki stół ?
Старый дом у реки продали на прошлой неделе .
Она никогда не была в Москве , но хорошо говорит по-русски .
Моя сестра купила новий велосипед і поїхала до моря .
Malé dítě si hrálo na zahradě se psem svého souseda .
Flickan sprang hem innan det började regna .
Jeg har aldri sett så mye snø i april .
Vanha nainen istui penkillä ja luki sanomalehteä koko aamun .
A gyerekek a kertben játszanak , mert süt a nap .
Küçük çocuk bahçede kırmızı bir top buldu ve eve getirdi .
Cô gái mua hai quyển sách mới ở cửa hàng gần trường .
Anak itu pergi ke pasar bersama ibunya setiap hari Minggu .
老 房子 上 个 星期 卖 掉 了 , 没有 人 知道 是 谁 买 的 。
他 每天 早上 喝 一 杯 茶 , 然后 坐 地铁 去 上班 。
母 は 昨日 新しい 本 を 二 冊 買い まし た 。
この 町 に は 古い 寺 が たくさん あり ます 。
아이가 공원에서 친구와 함께 놀고 있습니다 .
나는 어제 도서관에서 책 세 권을 빌렸다 .
ذهب الولد إلى المدرسة مع أخته الصغيرة في الصباح .
لا أعرف متى يصل القطار إلى المدينة .
הילדה קנתה שלושה ספרים חדשים בחנות ליד הבית .
پدرم هر روز صبح با دوچرخه به محل کار می رود .
लड़का अपनी बहन के साथ हर सुबह स्कूल जाता है ।
मुझे नहीं पता कि गाड़ी कब आएगी ।
میرا بھائی شہر میں ایک چھوٹی دکان چلاتا ہے ۔
ছেলেটি প্রতিদিন সকালে নদীর ধারে হাঁটতে যায় ।
என் தம்பி நேற்று ஒரு புதிய புத்தகம் வாங்கினான் .
แม่ ซื้อ ผลไม้ ที่ ตลาด ทุก เช้า วัน เสาร์
Το παλιό σπίτι δίπλα στο ποτάμι πουλήθηκε χθες .
Старата къща до реката беше продадена миналата седмица .
Bătrânul citea ziarul în parc în fiecare dimineață .
Djevojčica je našla stari ključ ispod kamena u vrtu .
Neska txikiak liburu berria erosi zuen herriko dendan .
A nena atopou unha chave vella debaixo da pedra .
Mae'r gath ddu yn cysgu ar y gadair wrth y tân .
Mtoto alicheza na mbwa wake karibu na mto .
Senas namas prie upės buvo parduotas praėjusią savaitę .
Mazā meitene dārzā atrada vecu atslēgu .
Tüdruk ostis raamatupoest kaks uut raamatut .
Stúlkan hljóp heim áður en byrjaði að rigna .
I told mi hermano que no puedo ir al cine tonight .
"""

SENTENCES: tuple[tuple[str, ...], ...] = tuple(tuple(line.split()) for line in _TEXT.strip().splitlines())
