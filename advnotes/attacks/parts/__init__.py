"""What several attacks are made of. One file beside this folder is one attack."""
