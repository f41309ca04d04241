"""A treebank file of our own that has every kind of line."""

import pytest

SAMPLE = """\
# newdoc id = d1
# sent_id = s1
# text = Voy al mercado del pueblo
1\tVoy\tir\tVERB\t_\tMood=Ind|Number=Sing\t0\troot\t_\t_
2-3\tal\t_\t_\t_\t_\t_\t_\t_\t_
2\ta\ta\tADP\t_\t_\t4\tcase\t_\t_
3\tel\tel\tDET\t_\tDefinite=Def\t4\tdet\t_\t_
4\tmercado\tmercado\tNOUN\t_\tGender=Masc\t1\tobl\t_\t_
5-6\tdel\t_\t_\t_\tTypo=Yes\t_\t_\t_\t_
5\tde\tde\tADP\t_\t_\t7\tcase\t_\t_
6\tel\tel\tDET\t_\t_\t7\tdet\t_\t_
7\tpueblo\tpueblo\tNOUN\t_\t_\t4\tnmod\t_\t_

# sent_id = s2
# text = I'm going al _ 10 000!
# a comment with no value
0.1\tnow\tnow\tADV\t_\t_\t_\t_\t2:advmod\tCopyOf=-1
1\tI\tI\tPRON\tPRP\t_\t2\tnsubj\t2:nsubj\tSpaceAfter=No
2\t'm\tbe\tAUX\tVBP\t_\t0\troot\t0:root\t_
3\tgoing\tgo\tVERB\tVBG\t_\t2\tdep\t2:dep\t_
3.1\t_\t_\tVERB\t_\t_\t_\t_\t2:conj\t_
3.2\tgoing\tgo\tVERB\t_\t_\t_\t_\t2:conj\t_
4-5\tal\t_\t_\t_\t_\t_\t_\t_\tLang=es
4\ta\ta\tADP\t_\t_\t2\tdep\t_\tLang=es
5\tel\tel\tDET\t_\t_\t2\tdep\t_\tLang=es
6\t_\t_\tSYM\t_\t_\t2\tdep\t_\t_
7\t10 000\t10 000\tNUM\t_\t_\t2\tdep\t_\tNER=B-QUANTITY|SpaceAfter=No|X=\u0085\u2028
8\t!\t!\tPUNCT\t_\t_\t2\tpunct\t_\tSpaceAfter=No

"""


@pytest.fixture
def sample() -> str:
    return SAMPLE
