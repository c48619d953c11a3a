"""What finite dimension adds: fluctuations, bias, and when runs leave a saddle."""
