/* The artefact as it is, in flash: nothing of it is copied. */
  .section .model, "a"
  .balign 64
  .global model_bytes, model_bytes_end
model_bytes:
  .incbin MODEL
model_bytes_end:
  .balign 4
