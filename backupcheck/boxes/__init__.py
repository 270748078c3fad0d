"""What boxes are made of and asked through, whatever their engine."""
