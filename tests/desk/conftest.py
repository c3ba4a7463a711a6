def pytest_addoption(parser):
    parser.addoption("--record", action="store_true", help="writes what is printed now into README.md")
