"""How deliveries leave, one folder each."""
