"""Everything that can be known of a deployment before it: the rules, asked in one place."""
