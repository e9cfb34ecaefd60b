"""How the ranks that train one network together meet."""
