-- repeat: this statement runs in transactions of its own until it returns NULL. See 0004.
SELECT copy_likes(2000)
