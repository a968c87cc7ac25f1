"""The stacks that ``neo verify`` deploys: buckets and an echo, and endpoints to ask."""
