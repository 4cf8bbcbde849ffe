from distill.teachers.neural.teacher import FILE as FILE
from distill.teachers.neural.teacher import TEACHER as TEACHER
