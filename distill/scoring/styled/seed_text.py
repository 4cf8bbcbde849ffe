"""What `seed_page.py` says around its tables: what was done, how to read it, what it does not show."""

TITLE = """\
# The seeds' tables, at the size of a core

Made by `python -m distill.recipes.seeds --out DIR` (`make seeds`) from figures that it measured; the methods are in
docs/diffusiontalker.md. In brackets 95 % intervals over the people who were tested: they say nothing
of another training, of which there was one each."""
DATA = """\
**Read this first.** Faces and voices are made up: espeak speaks, rules move the face
(docs/diffusiontalker.md has the rules). Nothing here is comparable with the seed's or
the paper's own numbers, which are of captures; it is rows of one table that compare. Those who are tested
were never trained on, and nothing was chosen by them.
Trainings are short (*trained*: steps x clips of 2.6 s), so no row says what its method can do."""
TALKERS = """\
## DiffusionTalker: N = 16, 8, 4, 2, large and compact ears

LVE and EVE are of the worst vertex of lips and upper face, squared; FDD is signed, the labels' motion less the
talker's. Blinks and glances are in the labels and in no sound, so no EVE comes near 0. Storage is the file in float16
and, where ears are large, their 8.2 million weights in float16 too. CPU seconds a second of audio on one thread, the
least of five rounds by turns, beside other work on the machine: ratios are what to read. Above them, in italics, faces
that no network made: the floor and the ceiling."""
ABLATIONS = """\
## Ablations

Each beside what it was taken from, trained as long. Retrieval: does the nearest clip belong to the same person (among
other emotions), to the same emotion (among other people)?"""
VOICES = """\
## Whose voice, which emotion

Told by five seconds, cosine, nearest neighbour. Of `resemblyzer` and of six numbers that anybody can measure the same
vector is asked both questions."""
ENROLLED = """\
## A stranger enrols with five seconds

Clips of strangers in an emotion. *own*: the clip's own sound tells who and how; *enrolled*: who, by five seconds of
another sentence, in neutral; *somebody else* enrolled; *wrong emotion*: the right person, moved otherwise."""
TABLE4 = """\
## The paper's Table 4

CodeTalker, reduced, teaches S0 through 50 components of our head's meshes; faces are neutral, as the paper's. Its
parameters are told without its ears; S0's alone, and with the basis that would restore VOCASET's vertices (the paper's
3.73 million: docs/diffusiontalker.md says why). PBM of the paper is of three other sets, with
thresholds on another mesh."""
TABLE4_MADE = """\
S0's layers that hear are those of `checkpoints/table2/s0.pt`, frozen; the last two were learned anew on
{taught_clips} clips that CodeTalker spoke, of every {every} frames one, in {steps} steps.
{asked_clips} clips of strangers were judged."""
STYLES = "## A style on a stream student"
STYLES_FOUND = """\
{student} with the style head, {clips} clips of {people} strangers. A classifier that learned emotions from the labels
tells {told:.0f} % of the student's clips (interval {low:.0f} to {high:.0f}; of the labels themselves {labels:.0f} %,
chance {chance:.0f} %). The head costs {cost:.1f} % more multiply-adds, takes {less:.0f} % off the squared error against
styled curves, and legibility goes from {neutral:.3f} to {styled:.3f}: {lost} less (below nought: more), read off the
mouth's channels alone {mouth}, off those that can be seen to move {seen}. The labels that it learned from
lose {ideal}, by the mouth {ideal_mouth}. Lips, in %, at 0.15 cm and where 2 % of open vowels are shut:"""
