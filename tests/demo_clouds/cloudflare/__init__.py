"""A Worker of Cloudflare: tampered with by a leaked token, preserved before and after, and judged."""
