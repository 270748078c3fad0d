"""The layers of the corpus, one file each."""
