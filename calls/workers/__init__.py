"""Who may speak in a call: leases, the lives behind them, and how many calls the workers could take."""
