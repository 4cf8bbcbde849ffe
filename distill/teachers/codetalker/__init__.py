from distill.teachers.codetalker.teacher import FILE as FILE
from distill.teachers.codetalker.teacher import TEACHER as TEACHER
