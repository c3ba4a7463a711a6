const schemes = ['http', 'stratum', 'ws'];
