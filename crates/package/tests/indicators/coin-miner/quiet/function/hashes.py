ALGORITHMS = ['scrypt', 'cryptonight', 'sha256']
