from distill.teachers.diffusiontalker.teacher import FILE as FILE
from distill.teachers.diffusiontalker.teacher import TEACHER as TEACHER
