"""The probe's sentences: (key, query) pairs in which {} is the codeword."""

TEMPLATES = (
    ("The secret code is {}.", "What is the secret code? {}"),
    ("Remember the word {}.", "What was the word? {}"),
    ("The special word is {}.", "What is the special word? {}"),
    ("The password is {}.", "What is the password? {}"),
    ("The magic word is {}.", "The magic word was {}"),
)
