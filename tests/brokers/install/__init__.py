"""What native brokers are made of, installed where the machine allows it."""
