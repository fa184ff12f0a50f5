"""Wire shapes: the bodies of requests and answers, one module a resource. Nothing in them decides anything."""
