"""`test_setup.py`: what is installed, what is missing; another name of `chunkport doctor`."""

from scripts.doctor import command

if __name__ == "__main__":
    from scripts._cli import run

    run(command)
