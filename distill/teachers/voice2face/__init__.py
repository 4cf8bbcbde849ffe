from distill.teachers.voice2face.teacher import FILE as FILE
from distill.teachers.voice2face.teacher import TEACHER as TEACHER
