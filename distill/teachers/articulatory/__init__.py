from distill.teachers.articulatory.teacher import TEACHER as TEACHER
