"""What happens to a process: the engine's thread of Python work, forks, the end."""
