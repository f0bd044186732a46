"""Files of fine-tuning tasks → examples, a module for each family of formats; see `albert_np.tasks.read_examples`."""
