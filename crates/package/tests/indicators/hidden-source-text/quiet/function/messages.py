HEART = '❤️'
FAMILY = '👨‍👩‍👧'
HEBREW = '‫שלום‬'
ARABIC = '⁧م⁩'
FLAG = '🏴󠁧󠁢󠁥󠁮󠁧󠁿'
print('größer 請求書')
