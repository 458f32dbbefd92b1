"""`python -m aioqueue`: the command line."""

from aioqueue.cli.main import main

if __name__ == "__main__":
    main()
