"""What the methods in this folder are made of. One file beside this folder is one method."""
