"""The folder of a checkout's state and the stores in it: made, looked at, followed where it is moved."""
