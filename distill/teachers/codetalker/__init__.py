from distill.teachers.codetalker.teacher import CARD as CARD
from distill.teachers.codetalker.teacher import MARK as MARK
from distill.teachers.codetalker.teacher import SHIPPED as SHIPPED
from distill.teachers.codetalker.teacher import TEACHER as TEACHER
from distill.teachers.codetalker.teacher import TRAINED as TRAINED
