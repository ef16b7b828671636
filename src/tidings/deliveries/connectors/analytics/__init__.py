"""What the connectors of product analytics share: what is told, of whom, and in how many requests. No connector itself."""
