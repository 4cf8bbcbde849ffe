from distill.teachers.diffusiontalker.teacher import CARD as CARD
from distill.teachers.diffusiontalker.teacher import MARK as MARK
from distill.teachers.diffusiontalker.teacher import SHIPPED as SHIPPED
from distill.teachers.diffusiontalker.teacher import TEACHER as TEACHER
from distill.teachers.diffusiontalker.teacher import TRAINED as TRAINED
