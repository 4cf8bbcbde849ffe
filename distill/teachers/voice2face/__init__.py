from distill.teachers.voice2face.teacher import CARD as CARD
from distill.teachers.voice2face.teacher import MARK as MARK
from distill.teachers.voice2face.teacher import SHIPPED as SHIPPED
from distill.teachers.voice2face.teacher import TEACHER as TEACHER
from distill.teachers.voice2face.teacher import TRAINED as TRAINED
