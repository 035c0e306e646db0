"""One conformance suite over all web servers that a site may run on."""
