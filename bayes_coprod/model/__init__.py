"""From question to mathematics: specifications, designs, densities."""
