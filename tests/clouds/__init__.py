"""Local stand-ins of the other clouds' APIs, each between two judges that nobody here wrote: the vendor's own types and the vendor's own SDK."""
