"""Which chapters have to be executed: what each execution depended on, compared with what is there now."""
