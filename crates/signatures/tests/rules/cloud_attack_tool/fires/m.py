from pacu.core import x
NAME = 'iam__privesc_scan'
