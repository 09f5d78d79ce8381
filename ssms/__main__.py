"""`python -m ssms`: the same as the `ssms` command."""

from ssms.cli import main

if __name__ == "__main__":
    main()
