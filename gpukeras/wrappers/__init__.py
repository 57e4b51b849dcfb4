"""Models as members of other libraries' families."""
