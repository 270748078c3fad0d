"""Ways to tell people and programs how a run ended, one file each."""
