"""From mathematics to draws: fitting, storing, loading."""
