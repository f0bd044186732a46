"""Files of fine-tuning tasks → examples: a module for each family of formats. `albert_np.tasks.read_examples` uses them."""
