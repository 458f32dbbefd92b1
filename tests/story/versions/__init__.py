"""Two versions of one program, as they meet on one queue while a new one is rolled out."""
