"""What runs inside a user's daemon and its kernels. Nothing here imports Pyramid."""
