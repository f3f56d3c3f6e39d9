"""What loaders of weights stand on, whatever the framework: objects of one generation, their ranges into memory."""
