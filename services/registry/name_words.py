"""Words that do not belong in a product's name, by the reason why (practice 1)."""

from __future__ import annotations

import re


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


MONTHS = _words("""
    jan january feb february mar march apr april may jun june jul july aug august sep sept september oct october nov
    november dec december
""")
# Words or given names of their own: a month only at the end of a name, and these three only beside a number.
MONTHS_AT_THE_END = _words("jan dec sep jun august april june")
MONTHS_BESIDE_A_NUMBER = _words("may mar march")
FINALITY = _words("final finally really tmp temp temporary copy backup bak wip untitled asdf foo")
FINALITY_AT_THE_END = _words("""
    new newest latest old older best better last current currently good real test testing draft fixed fix updated
    improved legacy experiment experimental poc ok working done release retrained tuned hotfix nightly today candidate
""")
STAGES = _words("prod production staging stage stg dev development uat preprod archived champion challenger")
GENERIC = _words("model models ml ai my our the a an data pipeline thing stuff registered mymodel estimator")
JOINING = _words("by of for from and")
# What a model does: digits that hang on such a word count versions, unlike those of resnet50.
KINDS = _words("""
    detector predictor forecaster ranker classifier regressor scorer recommender engine estimator model segmenter
    clusterer optimizer reader embedder tagger router planner allocator network
""")
# Given names that are no common English words.
GIVEN_NAMES = _words("""
    aaron ada adam ahmed alan albert alejandro alex alexander alexandra alice alicia amanda amelia amy ana anand andrea
    andreas andrew andrey angela anita anna anne anthony antonio arjun arthur barbara ben benjamin bernd bob boris brian
    bruno carl carla carlos carol caroline catherine charles charlotte chris christian christina christine christopher
    claire claudia colin cynthia daniel daniela david dave deborah dennis diana diego dimitri dmitry donald dorothy
    edward elena elizabeth ellen emily emma eric erik eva fatima felix fernando florian francesca francis gabriel
    george giovanni giulia greg gregory hannah hans harry heather heidi helen henry hiroshi ian igor ines ingrid isaac
    isabel ivan jacob jacques jakob james jamie jan jana jane janet jason javier jeff jeffrey jennifer jens jeremy
    jessica jim joe joel johannes john johnny jonas jonathan jorge jose joseph josh joshua juan judith julia julian
    julie justin karen karl katherine kathleen katie keith kelly ken kenneth kevin klaus kumar kyle larry laura lauren
    laurent lena leo leonardo linda lisa louis luca lucas lucia lucy luis lukas maria marie marina mario marta martin
    mary mateo matt matthew maxim meera megan mei melissa michael michelle miguel mike mohamed mohammed monica nancy
    natalia natalie nathan neha nicholas nick nicolas nicole nikhil nikita nina olga oliver olivia oscar pablo pamela
    patricia patrick paul paula pavel pedro peter petra philip philipp pierre priya rachel rafael rahul raj ravi
    rebecca ricardo richard robert roberto roger ronald rosa ruth ryan sabine samantha samuel sandra sanjay sara sarah
    scott sean sebastian sergei sergey sergio shirley silvia simon simone sofia sonia sophia sophie stefan stephanie
    stephen steve steven susan svetlana sven takashi tamara tanja teresa thomas tim timothy tobias todd tom tomas tony
    tyler ulrich ursula valentina vanessa vera victoria vijay vikram vincent vladimir walter wang wei wolfgang xavier
    yuki yusuf yves zhang zoe
""")

VERSION = re.compile(r"(v|ver|vers|version|rev|revision|iter|iteration|attempt|try|run|exp)[0-9]+")
VERSION_WORD = re.compile(r"v|ver|vers|version|rev|revision")
COUNTED_STATE = re.compile(r"v?(final|latest|new|old|copy|draft|test|tmp|temp|fix|fixed|rc|alpha|beta)[0-9]+|vfinal|rc")
NUMBER_WORDS = _words("one two three four five six seven eight nine ten 1st 2nd 3rd")
NUMBER = re.compile(r"[0-9]+")
YEAR = re.compile(r"(19|20)[0-9]{2}")
DATE = re.compile(
    r"(19|20)[0-9]{2}((0[1-9]|1[0-2])([0-3][0-9])?)?|[0-3][0-9](0[1-9]|1[0-2])(19|20)[0-9]{2}"
    r"|(19|20)?[0-9]{2}q[1-4]|q[1-4]((19|20)?[0-9]{2})?|fy[0-9]{2,4}|(week|wk|kw|cw|w)[0-9]{1,2}|h[12]"
    r"|(jan|feb|mar|apr|may|jun|jul|aug|sept?|oct|nov|dec)[a-z]*[0-9]{2,4}|[0-9]{10,14}"
)
COUNTED_KIND = re.compile(rf"({'|'.join(sorted(KINDS))})[0-9]+")
