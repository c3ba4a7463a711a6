NAMES = ['cryptonight', 'randomx']
