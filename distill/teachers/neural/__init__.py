from distill.teachers.neural.teacher import CARD as CARD
from distill.teachers.neural.teacher import MARK as MARK
from distill.teachers.neural.teacher import SHIPPED as SHIPPED
from distill.teachers.neural.teacher import TEACHER as TEACHER
from distill.teachers.neural.teacher import TRAINED as TRAINED
